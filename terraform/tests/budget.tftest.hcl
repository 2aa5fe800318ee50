mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "with_a_billing_account" {
  command = plan

  variables {
    billing_account = "012345-6789AB-CDEF01"
    monthly_budget  = 321
  }

  assert {
    condition = (
      google_billing_budget.this[0].billing_account == "012345-6789AB-CDEF01" &&
      one(google_billing_budget.this[0].budget_filter[0].projects) == "projects/3003" &&
      google_billing_budget.this[0].amount[0].specified_amount[0].units == "321"
    )
    error_message = "The budget is not monthly_budget, of this project alone."
  }

  assert {
    condition     = contains([for rule in google_billing_budget.this[0].threshold_rules : rule.threshold_percent if rule.spend_basis == "FORECASTED_SPEND"], 1)
    error_message = "Nobody hears before the money is spent."
  }
}

run "without_a_billing_account" {
  command = plan

  assert {
    condition     = length(google_billing_budget.this) == 0
    error_message = "A budget is made without a billing account."
  }
}

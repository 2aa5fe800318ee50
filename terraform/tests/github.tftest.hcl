mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

override_resource {
  target          = google_service_account.deployer
  override_during = plan
  values = {
    name = "projects/taskpulse-example/serviceAccounts/deployer"
  }
}

run "federation" {
  command = plan

  assert {
    condition = toset(split(" && ", google_iam_workload_identity_pool_provider.github.attribute_condition)) == toset([
      "assertion.repository_owner_id == '1001'",
      "assertion.repository_id == '2002'",
      "assertion.ref == 'refs/heads/${var.environment}'",
      "assertion.event_name in ['push', 'workflow_dispatch']",
    ])
    error_message = "Federation is not bound to the owner's and the repository's id, the one branch and the two events."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Somebody else than GitHub issues the tokens."
  }

  assert {
    condition     = length(coalesce(google_iam_workload_identity_pool_provider.github.oidc[0].allowed_audiences, [])) == 0
    error_message = "Tokens made for another audience are taken."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.workload_identity_pool_provider_id == "github-${var.environment}"
    error_message = "The provider is not the environment's own."
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github.attribute_mapping["attribute.repository_id"] == "assertion.repository_id"
    error_message = "The attribute that the binding names is not the repository's id."
  }

  assert {
    condition = (
      google_service_account_iam_member.github.service_account_id == "projects/taskpulse-example/serviceAccounts/deployer" &&
      google_service_account_iam_member.github.role == "roles/iam.workloadIdentityUser" &&
      google_service_account_iam_member.github.member == "principalSet://iam.googleapis.com/projects/3003/locations/global/workloadIdentityPools/github/attribute.repository_id/2002"
    )
    error_message = "Others than runs of the one repository may become the deployer."
  }
}

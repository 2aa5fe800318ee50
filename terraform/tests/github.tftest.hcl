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
  target          = google_service_account.publisher
  override_during = plan
  values = {
    name = "projects/taskpulse-example/serviceAccounts/publisher"
  }
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
      "assertion.environment in ['${var.environment}', '${var.environment}-image']",
      "assertion.event_name in ['push', 'workflow_dispatch']",
    ])
    error_message = "Federation is not bound to the owner's and the repository's id, the branch, its two environments and the two events."
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
    condition     = google_iam_workload_identity_pool_provider.github.attribute_mapping["attribute.job"] == "assertion.repository_id + '/' + assertion.environment"
    error_message = "The attribute that the bindings name is not the repository's id with the job's environment."
  }

  assert {
    condition = { for binding in google_service_account_iam_member.github : binding.service_account_id => "${binding.role} ${binding.member}" } == {
      "projects/taskpulse-example/serviceAccounts/publisher" = "roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/3003/locations/global/workloadIdentityPools/github/attribute.job/2002/${var.environment}-image"
      "projects/taskpulse-example/serviceAccounts/deployer"  = "roles/iam.workloadIdentityUser principalSet://iam.googleapis.com/projects/3003/locations/global/workloadIdentityPools/github/attribute.job/2002/${var.environment}"
    }
    error_message = "Others than jobs of the account's own environment may become the account."
  }
}

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
    email = "taskpulse-deployer@taskpulse-example.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.publisher
  override_during = plan
  values = {
    email = "taskpulse-publisher@taskpulse-example.iam.gserviceaccount.com"
  }
}

run "outputs" {
  command = plan

  assert {
    condition = output.github_actions_variables == {
      DB_USER                    = "taskpulse"
      DEPLOYER_SERVICE_ACCOUNT   = "taskpulse-deployer@taskpulse-example.iam.gserviceaccount.com"
      GCP_PROJECT_ID             = "taskpulse-example"
      GKE_CLUSTER                = "taskpulse"
      GKE_LOCATION               = var.cluster_location
      IMAGE_REPOSITORY           = "gcr.io/taskpulse-example/taskpulse-api"
      PUBLISHER_SERVICE_ACCOUNT  = "taskpulse-publisher@taskpulse-example.iam.gserviceaccount.com"
      TESTED_IMAGE_REPOSITORY    = "gcr.io/taskpulse-example/taskpulse-api"
      WORKLOAD_IDENTITY_PROVIDER = "projects/3003/locations/global/workloadIdentityPools/github/providers/example"
    }
    error_message = "The variables for GitHub Actions are not the listed ones."
  }
}

run "tested_elsewhere" {
  command = plan

  variables {
    promotes_from = "taskpulse-earlier"
  }

  assert {
    condition = (
      output.github_actions_variables.TESTED_IMAGE_REPOSITORY == "gcr.io/taskpulse-earlier/taskpulse-api" &&
      output.github_actions_variables.IMAGE_REPOSITORY == "gcr.io/taskpulse-example/taskpulse-api"
    )
    error_message = "The workflow does not look for images where they were tested, or pushes them there."
  }
}

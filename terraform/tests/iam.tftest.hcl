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
  target          = google_service_account.nodes
  override_during = plan
  values = {
    member = "serviceAccount:nodes"
  }
}

override_resource {
  target          = google_service_account.publisher
  override_during = plan
  values = {
    member = "serviceAccount:publisher"
  }
}

override_resource {
  target          = google_service_account.deployer
  override_during = plan
  values = {
    member = "serviceAccount:deployer"
  }
}

run "roles" {
  command = plan

  assert {
    condition = toset([for binding in google_project_iam_member.this : "${binding.member} ${binding.role}"]) == toset([
      "serviceAccount:nodes roles/container.defaultNodeServiceAccount",
      "serviceAccount:deployer roles/container.developer",
    ])
    error_message = "The roles on the project are not the listed ones."
  }

  assert {
    condition     = alltrue([for binding in google_project_iam_member.this : binding.project == "taskpulse-example"])
    error_message = "A role is given on another project."
  }

  assert {
    condition = toset([for binding in google_artifact_registry_repository_iam_member.image : "${binding.member} ${binding.role}"]) == toset([
      "serviceAccount:nodes roles/artifactregistry.reader",
      "serviceAccount:publisher roles/artifactregistry.writer",
    ])
    error_message = "The roles on the registry are not: nodes read, the publisher writes."
  }

  assert {
    condition = (
      toset(keys(google_secret_manager_secret_iam_member.deployer)) == toset(keys(google_secret_manager_secret.this)) &&
      toset([for binding in google_secret_manager_secret_iam_member.deployer : "${binding.member} ${binding.role}"]) == toset([
        "serviceAccount:deployer roles/secretmanager.secretAccessor",
      ])
    )
    error_message = "The deployer's access to secrets is not: read, each of ours."
  }
}

run "no_promotion" {
  command = plan

  assert {
    condition     = length(google_artifact_registry_repository_iam_member.promotion) == 0
    error_message = "Somebody else reads the images without being asked for."
  }
}

run "promotion" {
  command = plan

  variables {
    promotes_to = "taskpulse-next"
  }

  assert {
    condition = [for binding in google_artifact_registry_repository_iam_member.promotion : "${binding.member} ${binding.role}"] == [
      "serviceAccount:taskpulse-publisher@taskpulse-next.iam.gserviceaccount.com roles/artifactregistry.reader"
    ]
    error_message = "The publisher of the next environment does not read the images, or does more."
  }
}

run "registry" {
  command = plan

  assert {
    condition = (
      google_artifact_registry_repository.image.repository_id == "gcr.io" &&
      google_artifact_registry_repository.image.location == "us" &&
      google_artifact_registry_repository.image.format == "DOCKER"
    )
    error_message = "The repository does not answer for gcr.io/PROJECT."
  }

  assert {
    condition     = toset([for policy in google_artifact_registry_repository.image.cleanup_policies : "${policy.action} ${policy.id}"]) == toset(["KEEP keep-newest", "DELETE delete-old"])
    error_message = "Old images are never cleaned up, or the newest are not kept."
  }
}

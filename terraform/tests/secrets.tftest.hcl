mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "secrets" {
  command = plan

  assert {
    condition = toset(keys(google_secret_manager_secret.this)) == toset([
      "taskpulse-database-ca",
      "taskpulse-database-password",
      "taskpulse-grafana-password",
      "taskpulse-metrics-token",
      "taskpulse-service-password",
      "taskpulse-slack-webhook",
      "taskpulse-smtp-password",
    ])
    error_message = "The secrets are not the listed ones."
  }

  assert {
    condition     = setunion(keys(google_secret_manager_secret_version.this), ["taskpulse-database-ca"]) == toset(keys(google_secret_manager_secret.this))
    error_message = "A secret has no value."
  }

  assert {
    condition     = alltrue([for version in google_secret_manager_secret_version.this : version.secret_data == null])
    error_message = "A secret's value is in the state."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : secret.deletion_protection])
    error_message = "A slip can delete a secret."
  }
}

run "rotation" {
  command = plan

  variables {
    secret_version = { database_password = 7 }
  }

  assert {
    condition = (
      google_sql_user.this.password_wo_version == 7 &&
      google_secret_manager_secret_version.this["taskpulse-database-password"].secret_data_wo_version == "7"
    )
    error_message = "Database and Secret Manager do not get the new password together."
  }

  assert {
    condition = alltrue([
      for name, version in google_secret_manager_secret_version.this :
      version.secret_data_wo_version == "1" if name != "taskpulse-database-password"
    ])
    error_message = "Rotating one secret rotates another."
  }
}

run "rotation_of_the_user_that_serves" {
  command = plan

  variables {
    secret_version = { service_password = 7 }
  }

  assert {
    condition = (
      google_secret_manager_secret_version.this["taskpulse-service-password"].secret_data_wo_version == "7" &&
      google_sql_user.this.password_wo_version == 1
    )
    error_message = "The user that serves and the owner of the tables do not have passwords of their own."
  }
}

run "rotation_of_the_others" {
  command = plan

  variables {
    secret_version = { metrics_token = 2, grafana_password = 3, slack_webhook = 4, smtp_password = 5, service_password = 6 }
  }

  assert {
    condition = { for name, version in google_secret_manager_secret_version.this : name => version.secret_data_wo_version } == {
      taskpulse-database-password = "1"
      taskpulse-service-password  = "6"
      taskpulse-metrics-token     = "2"
      taskpulse-grafana-password  = "3"
      taskpulse-slack-webhook     = "4"
      taskpulse-smtp-password     = "5"
    }
    error_message = "A secret follows another secret's version."
  }
}

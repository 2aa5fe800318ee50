mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "audit" {
  command = plan

  assert {
    condition = { for config in google_project_iam_audit_config.this : config.service => toset(config.audit_log_config[*].log_type) } == {
      "iam.googleapis.com"           = toset(["ADMIN_READ", "DATA_READ"])
      "secretmanager.googleapis.com" = toset(["DATA_READ"])
      "sts.googleapis.com"           = toset(["DATA_READ"])
    }
    error_message = "Reading a secret or acting as an account leaves no line in the log."
  }
}

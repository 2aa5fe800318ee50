# Applied, unlike the others: the certificates are read only when the instance is there.
mock_provider "google" {
  source = "./tests/mocks"
}

run "authority" {
  command = apply

  plan_options {
    target = [google_secret_manager_secret_version.database_ca] # reading a password back cannot be mocked
  }

  assert {
    condition     = google_secret_manager_secret_version.database_ca.secret_data == "first authority\nsecond authority"
    error_message = "While the database's authority is rotated, clients must trust the old and the new one."
  }
}

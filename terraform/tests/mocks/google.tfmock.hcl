# What Google would answer, where an assertion needs to know it.
mock_data "google_project" {
  defaults = {
    number = "3003"
  }
}

mock_resource "google_compute_network" {
  defaults = {
    id = "projects/taskpulse-example/global/networks/taskpulse"
  }
}

mock_resource "google_compute_global_address" {
  defaults = {
    address = "198.51.100.7"
  }
}

mock_resource "google_sql_database_instance" {
  defaults = {
    private_ip_address = "10.20.0.3"
  }
}

mock_data "google_sql_ca_certs" {
  defaults = {
    certs = [{ cert = "first authority" }, { cert = "second authority" }]
  }
}

mock_resource "google_iam_workload_identity_pool" {
  defaults = {
    name = "projects/3003/locations/global/workloadIdentityPools/github"
  }
}

mock_resource "google_iam_workload_identity_pool_provider" {
  defaults = {
    name = "projects/3003/locations/global/workloadIdentityPools/github/providers/example"
  }
}

mock_resource "google_certificate_manager_dns_authorization" {
  defaults = {
    id                  = "projects/taskpulse-example/locations/global/dnsAuthorizations/taskpulse-api"
    dns_resource_record = [{ name = "_acme-challenge.tasks.example.com.", type = "CNAME", data = "example.authorize.certificatemanager.goog." }]
  }
}

mock_resource "google_certificate_manager_certificate" {
  defaults = {
    id = "projects/taskpulse-example/locations/global/certificates/taskpulse-api"
  }
}

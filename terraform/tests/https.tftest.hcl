mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "with_a_host_name" {
  command = plan

  variables {
    api_hostname = "tasks.example.com"
  }

  assert {
    condition     = one(google_compute_global_address.api[*].name) == "taskpulse-api"
    error_message = "The Gateway's address does not have its fixed name."
  }

  assert {
    condition     = one(google_certificate_manager_certificate_map.api[*].name) == "taskpulse-api"
    error_message = "The Gateway's certificate map does not have its fixed name."
  }

  assert {
    condition = (
      google_certificate_manager_certificate.api[0].managed[0].domains == tolist(["tasks.example.com"]) &&
      google_certificate_manager_certificate.api[0].managed[0].dns_authorizations == tolist(["projects/taskpulse-example/locations/global/dnsAuthorizations/taskpulse-api"]) &&
      google_certificate_manager_dns_authorization.api[0].domain == "tasks.example.com"
    )
    error_message = "The certificate is not for api_hostname, proven by DNS."
  }

  assert {
    condition = (
      google_certificate_manager_certificate_map_entry.api[0].map == "taskpulse-api" &&
      google_certificate_manager_certificate_map_entry.api[0].hostname == "tasks.example.com" &&
      google_certificate_manager_certificate_map_entry.api[0].certificates == tolist(["projects/taskpulse-example/locations/global/certificates/taskpulse-api"])
    )
    error_message = "The map does not serve the certificate for api_hostname."
  }

  assert {
    condition = (
      google_compute_ssl_policy.api[0].name == "taskpulse-api" &&
      google_compute_ssl_policy.api[0].min_tls_version == "TLS_1_2" &&
      google_compute_ssl_policy.api[0].profile == "MODERN"
    )
    error_message = "The front takes TLS older than 1.2."
  }

  assert {
    condition = (
      google_compute_security_policy.api[0].name == "taskpulse-api" &&
      [for rule in google_compute_security_policy.api[0].rule : "${rule.action} ${one(rule.rate_limit_options[*].exceed_action)} ${one(rule.rate_limit_options[*].enforce_on_key)}" if rule.priority == 1000] == ["throttle deny(429) IP"] &&
      [for rule in google_compute_security_policy.api[0].rule : rule.action if rule.priority == 2147483647] == ["allow"]
    )
    error_message = "Cloud Armor does not bound the requests of each address and let the others through."
  }

  assert {
    condition = jsonencode(output.dns_records) == jsonencode([{
      address = { name = "tasks.example.com", type = "A", data = "198.51.100.7" }
      proof   = { name = "_acme-challenge.tasks.example.com.", type = "CNAME", data = "example.authorize.certificatemanager.goog." }
    }])
    error_message = "The output does not say which DNS records to create."
  }
}

run "without_a_host_name" {
  command = plan

  variables {
    api_hostname = null
  }

  assert {
    condition = 0 == sum([
      length(google_compute_global_address.api),
      length(google_compute_ssl_policy.api),
      length(google_compute_security_policy.api),
      length(google_certificate_manager_dns_authorization.api),
      length(google_certificate_manager_certificate.api),
      length(google_certificate_manager_certificate_map.api),
      length(google_certificate_manager_certificate_map_entry.api),
      length(output.dns_records),
    ])
    error_message = "An environment without a host name pays for an HTTPS front."
  }
}

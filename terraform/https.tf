# The HTTPS front that the Gateway of the overlay names: only where there is a host name.
locals {
  https = var.api_hostname == null ? 0 : 1
}

resource "google_compute_global_address" "api" {
  count = local.https

  name = "taskpulse-api"

  lifecycle {
    prevent_destroy = true # the public zone names it; a new one is another address
  }

  depends_on = [google_project_service.this]
}

# Google's default still takes TLS 1.0.
resource "google_compute_ssl_policy" "api" {
  count = local.https

  name            = "taskpulse-api"
  min_tls_version = "TLS_1_2"
  profile         = "MODERN"

  depends_on = [google_project_service.this]
}

# Cloud Armor: all may ask, but no address without end. A worker that pulses and claims sends a few requests a second.
resource "google_compute_security_policy" "api" {
  # checkov:skip=CKV_GCP_73:there is no Java here, and the rule would refuse tasks whose text speaks of it
  count = local.https

  name = "taskpulse-api"
  type = "CLOUD_ARMOR"

  rule {
    description = "At most 6,000 requests a minute from one address"
    priority    = 1000
    action      = "throttle"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }

    rate_limit_options {
      conform_action = "allow"
      exceed_action  = "deny(429)"
      enforce_on_key = "IP"

      rate_limit_threshold {
        count        = 6000
        interval_sec = 60
      }
    }
  }

  rule {
    description = "Whatever no other rule matches"
    priority    = 2147483647
    action      = "allow"

    match {
      versioned_expr = "SRC_IPS_V1"

      config {
        src_ip_ranges = ["*"]
      }
    }
  }

  depends_on = [google_project_service.this]
}

# Proves by a CNAME that the name is ours, so that the certificate is there before traffic is.
resource "google_certificate_manager_dns_authorization" "api" {
  count = local.https

  name   = "taskpulse-api"
  domain = var.api_hostname

  lifecycle {
    prevent_destroy = true # the public zone holds its record; without it the certificate is not renewed
  }

  depends_on = [google_project_service.this]
}

resource "google_certificate_manager_certificate" "api" {
  count = local.https

  name = "taskpulse-api"

  managed {
    domains            = [var.api_hostname]
    dns_authorizations = [google_certificate_manager_dns_authorization.api[0].id]
  }
}

resource "google_certificate_manager_certificate_map" "api" {
  count = local.https

  name = "taskpulse-api"

  depends_on = [google_project_service.this]
}

resource "google_certificate_manager_certificate_map_entry" "api" {
  count = local.https

  name         = "taskpulse-api"
  map          = google_certificate_manager_certificate_map.api[0].name
  hostname     = var.api_hostname
  certificates = [google_certificate_manager_certificate.api[0].id]
}

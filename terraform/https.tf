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

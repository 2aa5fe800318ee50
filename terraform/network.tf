resource "google_compute_network" "this" {
  # checkov:skip=CKV2_GCP_18:a network of its own starts with no rule and so refuses what comes in; GKE opens what its nodes need
  name                    = "taskpulse"
  auto_create_subnetworks = false

  depends_on = [google_project_service.this]
}

resource "google_compute_subnetwork" "nodes" {
  name                     = "taskpulse-nodes"
  network                  = google_compute_network.this.id
  region                   = var.region
  ip_cidr_range            = var.node_range
  private_ip_google_access = true # nodes have no public address and still reach the registry and the logs

  secondary_ip_range {
    range_name    = "pods"
    ip_cidr_range = var.pod_range
  }

  secondary_ip_range {
    range_name    = "services"
    ip_cidr_range = var.service_range
  }

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1 # enough to see who talked to whom; each line is paid for
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# The way out: images of the monitoring stack, Slack, mail.
resource "google_compute_router" "this" {
  name    = "taskpulse"
  network = google_compute_network.this.id
  region  = var.region
}

resource "google_compute_router_nat" "this" {
  name                               = "taskpulse"
  router                             = google_compute_router.this.name
  region                             = var.region
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "ALL_SUBNETWORKS_ALL_IP_RANGES"

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# Private service access: Cloud SQL takes its address from this range and no other.
resource "google_compute_global_address" "database" {
  name          = "taskpulse-database"
  network       = google_compute_network.this.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = split("/", var.database_range)[0]
  prefix_length = tonumber(split("/", var.database_range)[1])
}

resource "google_service_networking_connection" "database" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.database.name]
  deletion_policy         = "ABANDON" # Google refuses to delete it for days after the last instance is gone
  update_on_creation_fail = true      # and remembers the ranges of a network that was taken down when it is set up again
}

resource "google_dns_managed_zone" "internal" {
  name        = "taskpulse-internal"
  dns_name    = "taskpulse.internal."
  description = "Names inside the network, so that the manifests need no addresses"
  visibility  = "private"

  private_visibility_config {
    networks {
      network_url = google_compute_network.this.id
    }
  }

  lifecycle {
    prevent_destroy = true # pods find the database by it
  }
}

resource "google_dns_record_set" "database" {
  managed_zone = google_dns_managed_zone.internal.name
  name         = "db.${google_dns_managed_zone.internal.dns_name}"
  type         = "A"
  ttl          = 60 # a restored database takes over the name within a minute
  rrdatas      = [google_sql_database_instance.this.private_ip_address]
}

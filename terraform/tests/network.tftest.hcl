mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "network" {
  command = plan

  assert {
    condition     = !google_compute_network.this.auto_create_subnetworks
    error_message = "The network makes subnetworks that nobody planned."
  }

  assert {
    condition     = google_compute_subnetwork.nodes.private_ip_google_access
    error_message = "Nodes without a public address cannot reach Google's APIs."
  }

  assert {
    condition = { for range in google_compute_subnetwork.nodes.secondary_ip_range : range.range_name => range.ip_cidr_range } == {
      pods     = var.pod_range
      services = var.service_range
    }
    error_message = "Pods and Services do not take their addresses from the ranges of the variables."
  }

  assert {
    condition     = google_compute_router_nat.this.source_subnetwork_ip_ranges_to_nat == "ALL_SUBNETWORKS_ALL_IP_RANGES"
    error_message = "Nodes or pods have no way out."
  }

  assert {
    condition     = "${google_compute_global_address.database.address}/${google_compute_global_address.database.prefix_length}" == var.database_range
    error_message = "The reserved range is not the database_range that the NetworkPolicy opens."
  }

  assert {
    condition     = google_compute_global_address.database.purpose == "VPC_PEERING" && google_compute_global_address.database.address_type == "INTERNAL"
    error_message = "The database's range is not reserved for private service access."
  }

  assert {
    condition     = google_service_networking_connection.database.reserved_peering_ranges == tolist(["taskpulse-database"])
    error_message = "Cloud SQL may take addresses from another range than the reserved one."
  }

  assert {
    condition     = google_service_networking_connection.database.deletion_policy == "ABANDON" && google_service_networking_connection.database.update_on_creation_fail
    error_message = "The network cannot be taken down, or not be set up again while Google remembers the last one."
  }

  assert {
    condition     = google_dns_managed_zone.internal.visibility == "private"
    error_message = "The zone of internal names is public."
  }

  assert {
    condition     = google_dns_record_set.database.name == "db.taskpulse.internal."
    error_message = "The database does not have the name that the overlays use."
  }

  assert {
    condition     = google_dns_record_set.database.rrdatas == tolist(["10.20.0.3"])
    error_message = "The database's name does not lead to its private address."
  }

  assert {
    condition     = google_dns_record_set.database.ttl <= 60
    error_message = "A restored database would take over the name too late."
  }
}

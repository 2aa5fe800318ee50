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
    email = "taskpulse-nodes@taskpulse-example.iam.gserviceaccount.com"
  }
}

override_resource {
  target          = google_service_account.deployer
  override_during = plan
  values = {
    email = "taskpulse-deployer@taskpulse-example.iam.gserviceaccount.com"
  }
}

run "cluster" {
  command = plan

  assert {
    condition     = google_container_cluster.this.name == "taskpulse"
    error_message = "The cluster does not have its fixed name."
  }

  assert {
    condition     = google_container_cluster.this.private_cluster_config[0].enable_private_nodes
    error_message = "The cluster's nodes have public addresses."
  }

  assert {
    condition     = !google_container_cluster.this.control_plane_endpoints_config[0].ip_endpoints_config[0].enabled
    error_message = "The control plane listens on an IP address."
  }

  assert {
    condition     = google_container_cluster.this.control_plane_endpoints_config[0].dns_endpoint_config[0].allow_external_traffic
    error_message = "GitHub's runners cannot reach the control plane by its DNS name."
  }

  assert {
    condition     = google_container_cluster.this.datapath_provider == "ADVANCED_DATAPATH"
    error_message = "Nothing enforces NetworkPolicies."
  }

  assert {
    condition     = google_container_cluster.this.workload_identity_config[0].workload_pool == "taskpulse-example.svc.id.goog"
    error_message = "Workload Identity is off."
  }

  assert {
    condition     = google_container_cluster.this.release_channel[0].channel == "REGULAR"
    error_message = "The cluster is on no release channel, or on a hasty one."
  }

  assert {
    condition     = one(google_container_cluster.this.maintenance_policy[0].recurring_window[*].recurrence) == "FREQ=WEEKLY;BYDAY=TU,WE,TH"
    error_message = "Upgrades may start at any hour."
  }

  assert {
    condition     = google_container_cluster.this.deletion_protection
    error_message = "A slip can delete the cluster."
  }

  assert {
    condition     = google_container_cluster.this.enable_shielded_nodes
    error_message = "Nodes are not shielded."
  }

  assert {
    condition     = google_container_cluster.this.gateway_api_config[0].channel == "CHANNEL_STANDARD"
    error_message = "The cluster does not know the Gateway of overlays/main."
  }

  assert {
    condition     = !google_container_cluster.this.master_auth[0].client_certificate_config[0].issue_client_certificate
    error_message = "The cluster hands out a client certificate that nobody can revoke."
  }

  assert {
    condition     = google_container_cluster.this.remove_default_node_pool
    error_message = "The default pool stays beside ours."
  }

  assert {
    condition = (
      google_container_cluster.this.node_config[0].disk_type == "pd-standard" &&
      google_container_cluster.this.node_config[0].disk_size_gb <= 20
    )
    error_message = "The pool that a cluster starts with takes more disk than a new project may have."
  }

  assert {
    condition     = google_container_cluster.this.node_pool_defaults[0].node_config_defaults[0].insecure_kubelet_readonly_port_enabled == "FALSE"
    error_message = "A new pool would open the kubelet's read-only port."
  }
}

run "nodes" {
  command = plan

  assert {
    condition     = google_container_node_pool.this.network_config[0].enable_private_nodes
    error_message = "The pool's nodes have public addresses."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].service_account == "taskpulse-nodes@taskpulse-example.iam.gserviceaccount.com"
    error_message = "Nodes do not run as their own account."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].workload_metadata_config[0].mode == "GKE_METADATA"
    error_message = "Pods can take the node's identity."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_secure_boot
    error_message = "Nodes boot without secure boot."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].shielded_instance_config[0].enable_integrity_monitoring
    error_message = "Nothing watches the integrity of nodes."
  }

  assert {
    condition     = google_container_node_pool.this.node_config[0].kubelet_config[0].insecure_kubelet_readonly_port_enabled == "FALSE"
    error_message = "The kubelet's read-only port is open."
  }

  assert {
    condition     = google_container_node_pool.this.management[0].auto_repair && google_container_node_pool.this.management[0].auto_upgrade
    error_message = "Nodes are neither repaired nor upgraded by themselves."
  }

  assert {
    condition     = google_container_node_pool.this.upgrade_settings[0].max_unavailable == 0
    error_message = "An upgrade takes a node away before another is there."
  }

  assert {
    condition = (
      google_container_node_pool.this.autoscaling[0].total_min_node_count == var.node_count.min &&
      google_container_node_pool.this.autoscaling[0].total_max_node_count == var.node_count.max
    )
    error_message = "The autoscaler's limits are not node_count, over all zones."
  }
}

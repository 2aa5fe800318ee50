# Standard rather than Autopilot: kube-prometheus-stack wants host access that Autopilot does not give.
resource "google_container_cluster" "this" {
  # checkov:skip=CKV_GCP_12:Dataplane V2 enforces NetworkPolicies; the check wants Calico's block
  # checkov:skip=CKV_GCP_20:there is no IP endpoint that networks could be authorised for
  # checkov:skip=CKV_GCP_21:the labels are the provider's default_labels
  # checkov:skip=CKV_GCP_65:Google Groups need a Workspace domain; IAM says who gets in
  # checkov:skip=CKV_GCP_66:nothing attests to the images of the monitoring chart; ours are deployed by digest, and only the deployer can push
  name                = "taskpulse"
  location            = var.cluster_location
  deletion_protection = var.deletion_protection

  # The pool below is the only one. The argument is deprecated, but some changes to a pool that stands inside the
  # cluster recreate the cluster.
  initial_node_count       = 1
  remove_default_node_pool = true

  network           = google_compute_network.this.id
  subnetwork        = google_compute_subnetwork.nodes.id
  networking_mode   = "VPC_NATIVE"
  datapath_provider = "ADVANCED_DATAPATH" # Dataplane V2: enforces NetworkPolicies

  enable_shielded_nodes       = true
  enable_intranode_visibility = true # so that the flow logs see pods on one node, too

  ip_allocation_policy {
    cluster_secondary_range_name  = "pods"
    services_secondary_range_name = "services"
  }

  private_cluster_config {
    enable_private_nodes = true
  }

  # The control plane is reached by its DNS name, where IAM decides who gets in; there is no address to scan.
  control_plane_endpoints_config {
    dns_endpoint_config {
      allow_external_traffic = true
    }
    ip_endpoints_config {
      enabled = false
    }
  }

  master_auth {
    client_certificate_config {
      issue_client_certificate = false
    }
  }

  release_channel {
    channel = "REGULAR"
  }

  maintenance_policy {
    # UTC. GKE wants 48 hours or more in 32 days.
    recurring_window {
      start_time = "2026-01-06T02:00:00Z"
      end_time   = "2026-01-06T07:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=TU,WE,TH"
    }
  }

  workload_identity_config {
    workload_pool = "${var.project_id}.svc.id.goog"
  }

  gateway_api_config {
    channel = "CHANNEL_STANDARD"
  }

  logging_config {
    enable_components = ["SYSTEM_COMPONENTS", "WORKLOADS"]
  }

  monitoring_config {
    enable_components = ["SYSTEM_COMPONENTS"]

    managed_prometheus {
      enabled = false # the cluster brings its own Prometheus; two would be paid for twice
    }
  }

  security_posture_config {
    mode               = "BASIC"
    vulnerability_mode = "VULNERABILITY_DISABLED" # images are scanned when they are built
  }

  node_pool_defaults {
    node_config_defaults {
      insecure_kubelet_readonly_port_enabled = "FALSE"
    }
  }

  # What the short-lived default pool starts with. Without it that would run as the project's default account, and its
  # 100 GB of SSD in each zone would exceed the quota of a new project (terraform-google-kubernetes-engine#1795).
  node_config {
    service_account = google_service_account.nodes.email
    disk_type       = "pd-standard"
    disk_size_gb    = 20

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA"
    }
  }

  lifecycle {
    ignore_changes = [node_config] # of the default pool, which is gone
  }

  depends_on = [google_project_service.this, google_project_iam_member.this]
}

resource "google_container_node_pool" "this" {
  name     = "taskpulse"
  cluster  = google_container_cluster.this.id
  location = var.cluster_location

  initial_node_count = 1 # in each zone; afterwards the autoscaler's

  autoscaling {
    total_min_node_count = var.node_count.min
    total_max_node_count = var.node_count.max
    location_policy      = "BALANCED"
  }

  management {
    auto_repair  = true
    auto_upgrade = true
  }

  upgrade_settings {
    max_surge       = 1
    max_unavailable = 0
  }

  network_config {
    enable_private_nodes = true
  }

  node_config {
    machine_type    = var.node_machine_type
    image_type      = "COS_CONTAINERD"
    disk_type       = "pd-balanced"
    disk_size_gb    = 50
    service_account = google_service_account.nodes.email
    oauth_scopes    = ["https://www.googleapis.com/auth/cloud-platform"] # what the account may do is IAM's business

    metadata = {
      disable-legacy-endpoints = "true"
    }

    shielded_instance_config {
      enable_secure_boot          = true
      enable_integrity_monitoring = true
    }

    workload_metadata_config {
      mode = "GKE_METADATA" # pods get their own identity and never the node's
    }

    kubelet_config {
      insecure_kubelet_readonly_port_enabled = "FALSE"
    }
  }

  lifecycle {
    ignore_changes = [initial_node_count]
  }
}

resource "google_service_account" "nodes" {
  account_id   = "taskpulse-nodes"
  display_name = "TaskPulse nodes"
  description  = "What GKE nodes run as: pull images, write logs and metrics"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "deployer" {
  account_id   = "taskpulse-deployer"
  display_name = "TaskPulse deployer"
  description  = "What the deploy workflow becomes: push images, read secrets, apply manifests"

  depends_on = [google_project_service.this]
}

locals {
  project_roles = {
    nodes = {
      role   = "roles/container.defaultNodeServiceAccount"
      member = google_service_account.nodes.member
    }
    # container.developer would do for the manifests; the monitoring chart brings ClusterRoles.
    deployer = {
      role   = "roles/container.admin"
      member = google_service_account.deployer.member
    }
  }
}

resource "google_project_iam_member" "this" {
  for_each = local.project_roles

  project = var.project_id
  role    = each.value.role
  member  = each.value.member
}

resource "google_secret_manager_secret_iam_member" "deployer" {
  for_each = google_secret_manager_secret.this

  secret_id = each.value.id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.deployer.member
}

resource "google_service_account" "nodes" {
  account_id   = "taskpulse-nodes"
  display_name = "TaskPulse nodes"
  description  = "What GKE nodes run as: pull images, write logs and metrics"

  depends_on = [google_project_service.this]
}

# Two accounts for the workflow, so that the job that builds with other people's code cannot touch the cluster.
resource "google_service_account" "publisher" {
  account_id   = "taskpulse-publisher"
  display_name = "TaskPulse publisher"
  description  = "What the job that builds the image becomes: push images"

  depends_on = [google_project_service.this]
}

resource "google_service_account" "deployer" {
  account_id   = "taskpulse-deployer"
  display_name = "TaskPulse deployer"
  description  = "What the job that deploys becomes: read secrets, apply manifests"

  depends_on = [google_project_service.this]
}

locals {
  project_roles = {
    nodes = {
      role   = "roles/container.defaultNodeServiceAccount"
      member = google_service_account.nodes.member
    }
    # container.admin could delete the cluster. What the monitoring chart needs beside this is granted in the cluster:
    # monitoring/chart/deployer.yaml.
    deployer = {
      role   = "roles/container.developer"
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

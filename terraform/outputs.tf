output "github_actions_variables" {
  description = "What the workflows read as vars.*; `make github-variables ENV=...` sets them. Nothing here is secret."
  value = {
    DB_USER                    = google_sql_user.this.name
    DEPLOYER_SERVICE_ACCOUNT   = google_service_account.deployer.email
    GCP_PROJECT_ID             = var.project_id
    GKE_CLUSTER                = google_container_cluster.this.name
    GKE_LOCATION               = google_container_cluster.this.location
    IMAGE_REPOSITORY           = "gcr.io/${var.project_id}/taskpulse-api"
    PUBLISHER_SERVICE_ACCOUNT  = google_service_account.publisher.email
    TESTED_IMAGE_REPOSITORY    = "gcr.io/${coalesce(var.promotes_from, var.project_id)}/taskpulse-api"
    WORKLOAD_IDENTITY_PROVIDER = google_iam_workload_identity_pool_provider.github.name
  }
}

output "dns_records" {
  description = "Records to create in the public zone of api_hostname."
  value = [for authorization in google_certificate_manager_dns_authorization.api : {
    address = { name = var.api_hostname, type = "A", data = google_compute_global_address.api[0].address }
    proof   = authorization.dns_resource_record[0]
  }]
}

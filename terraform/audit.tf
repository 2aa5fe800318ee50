# Who read a secret, and who became whom: Google logs neither by itself, only changes. A few lines for each deploy.
resource "google_project_iam_audit_config" "this" {
  for_each = {
    "iam.googleapis.com"           = ["ADMIN_READ", "DATA_READ"] # service accounts that somebody acts as
    "secretmanager.googleapis.com" = ["DATA_READ"]
    "sts.googleapis.com"           = ["DATA_READ"] # tokens of GitHub that are exchanged
  }

  project = var.project_id
  service = each.key

  dynamic "audit_log_config" {
    for_each = each.value

    content {
      log_type = audit_log_config.value
    }
  }

  depends_on = [google_project_service.this]
}

# Workload Identity Federation: a job of one repository, on one branch, in one GitHub environment becomes an account.
# No keys. The environment ENV-image is for the job that builds the image, ENV for those that deploy.
locals {
  github_accounts = {
    "${var.environment}-image" = google_service_account.publisher.name
    (var.environment)          = google_service_account.deployer.name
  }
}

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "github"
  display_name              = "GitHub Actions"

  lifecycle {
    prevent_destroy = true # its name is taken for 30 days
  }

  depends_on = [google_project_service.this]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  # checkov:skip=CKV_GCP_125:the check knows no claim but sub; the condition below holds the ids, the branch and the events
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github-${var.environment}" # four characters at least, so not dev alone
  display_name                       = "GitHub Actions, ${var.environment}"

  attribute_mapping = {
    "google.subject" = "assertion.sub"
    "attribute.job"  = "assertion.repository_id + '/' + assertion.environment"
  }

  # Ids, not names, which change hands; not `sub`, whose shape a repository may change. A job without an environment has
  # passed no reviewer, and its token has no such claim, which refuses it.
  attribute_condition = join(" && ", [
    "assertion.repository_owner_id == '${var.github_repository_owner_id}'",
    "assertion.repository_id == '${var.github_repository_id}'",
    "assertion.ref == 'refs/heads/${var.environment}'",
    "assertion.environment in ['${join("', '", sort(keys(local.github_accounts)))}']",
    "assertion.event_name in ['push', 'workflow_dispatch']",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  for_each = local.github_accounts

  service_account_id = each.value
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.github.name}/attribute.job/${var.github_repository_id}/${each.key}"
}

# Container Registry is shut down; a repository of this name, in this place, answers for gcr.io/PROJECT.
resource "google_artifact_registry_repository" "image" {
  # checkov:skip=CKV_GCP_84:Google's keys encrypt it; a key of our own would be one more thing to lose, and nothing here asks for one
  repository_id = "gcr.io"
  location      = "us"
  format        = "DOCKER"
  description   = "Images of the service"

  cleanup_policy_dry_run = false

  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"

    # a push leaves three: index, image, and its SBOM with the provenance; so the last 30 pushes stay
    most_recent_versions {
      keep_count = 90
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"

    condition {
      older_than = "7776000s" # 90 days
    }
  }

  lifecycle {
    prevent_destroy = true # every image that runs, and those to roll back to
  }

  depends_on = [google_project_service.this]
}

resource "google_artifact_registry_repository_iam_member" "image" {
  for_each = {
    "roles/artifactregistry.reader" = google_service_account.nodes.member
    "roles/artifactregistry.writer" = google_service_account.publisher.member
  }

  location   = google_artifact_registry_repository.image.location
  repository = google_artifact_registry_repository.image.name
  role       = each.key
  member     = each.value
}

# The next environment copies the image that was tested here, so that it runs the same bytes.
resource "google_artifact_registry_repository_iam_member" "promotion" {
  for_each = toset(var.promotes_to == null ? [] : [var.promotes_to])

  location   = google_artifact_registry_repository.image.location
  repository = google_artifact_registry_repository.image.name
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${google_service_account.publisher.account_id}@${each.value}.iam.gserviceaccount.com"
}

# A proof of concept: the API does not use it yet.
resource "google_pubsub_topic" "event" {
  # checkov:skip=CKV_GCP_83:Google's keys encrypt it; a key of our own would be one more thing to lose, and nothing here asks for one
  name = "taskpulse-events"

  depends_on = [google_project_service.this]
}

resource "google_pubsub_topic" "dead_letter" {
  # checkov:skip=CKV_GCP_83:Google's keys encrypt it; a key of our own would be one more thing to lose, and nothing here asks for one
  name = "taskpulse-events-dead-letter"

  depends_on = [google_project_service.this]
}

resource "google_pubsub_subscription" "event" {
  name                       = "taskpulse-events"
  topic                      = google_pubsub_topic.event.id
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = "" # never: the default deletes a subscription that was idle for 31 days
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letter.id
    max_delivery_attempts = 10
  }

  lifecycle {
    prevent_destroy = true # messages that nobody has taken yet
  }
}

# A topic without a subscription keeps nothing.
resource "google_pubsub_subscription" "dead_letter" {
  name                       = "taskpulse-events-dead-letter"
  topic                      = google_pubsub_topic.dead_letter.id
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }

  lifecycle {
    prevent_destroy = true # messages that nobody has looked at yet
  }
}

# Pub/Sub itself moves a message to the dead letters: its service agent must publish there and acknowledge here.
locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "dead_letter" {
  topic  = google_pubsub_topic.dead_letter.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "event" {
  subscription = google_pubsub_subscription.event.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

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
  target          = google_pubsub_topic.dead_letter
  override_during = plan
  values = {
    id = "projects/taskpulse-example/topics/taskpulse-events-dead-letter"
  }
}

override_resource {
  target          = google_pubsub_topic.event
  override_during = plan
  values = {
    id = "projects/taskpulse-example/topics/taskpulse-events"
  }
}

run "pubsub" {
  command = plan

  assert {
    condition     = google_pubsub_topic.event.name == "taskpulse-events" && google_pubsub_subscription.event.name == "taskpulse-events"
    error_message = "Topic and subscription do not have their fixed name."
  }

  assert {
    condition = (
      google_pubsub_subscription.event.dead_letter_policy[0].dead_letter_topic == "projects/taskpulse-example/topics/taskpulse-events-dead-letter" &&
      google_pubsub_subscription.event.dead_letter_policy[0].max_delivery_attempts == 10
    )
    error_message = "A message that nobody can handle is delivered for ever."
  }

  assert {
    condition     = google_pubsub_subscription.dead_letter.topic == "projects/taskpulse-example/topics/taskpulse-events-dead-letter"
    error_message = "Dead letters are lost: no subscription keeps them."
  }

  assert {
    condition     = alltrue([for subscription in [google_pubsub_subscription.event, google_pubsub_subscription.dead_letter] : subscription.expiration_policy[0].ttl == ""])
    error_message = "An idle subscription expires."
  }

  assert {
    condition     = google_pubsub_subscription.event.retry_policy[0].minimum_backoff == "10s" && google_pubsub_subscription.event.retry_policy[0].maximum_backoff == "600s"
    error_message = "A failing consumer is called again without a pause."
  }

  assert {
    condition = (
      google_pubsub_topic_iam_member.dead_letter.topic == "taskpulse-events-dead-letter" &&
      google_pubsub_topic_iam_member.dead_letter.role == "roles/pubsub.publisher" &&
      google_pubsub_topic_iam_member.dead_letter.member == "serviceAccount:service-3003@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub may not publish to the dead letters."
  }

  assert {
    condition = (
      google_pubsub_subscription_iam_member.event.subscription == "taskpulse-events" &&
      google_pubsub_subscription_iam_member.event.role == "roles/pubsub.subscriber" &&
      google_pubsub_subscription_iam_member.event.member == "serviceAccount:service-3003@gcp-sa-pubsub.iam.gserviceaccount.com"
    )
    error_message = "Pub/Sub may not take a dead letter off the subscription."
  }
}

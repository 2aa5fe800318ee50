# Each run gives one variable a value that must be refused.

mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "no_project" {
  command = plan

  variables {
    project_id = ""
  }

  expect_failures = [var.project_id]
}

run "unknown_environment" {
  command = plan

  variables {
    environment = "prod"
  }

  expect_failures = [var.environment]
}

run "host_name_with_a_scheme" {
  command = plan

  variables {
    api_hostname = "https://tasks.example.com"
  }

  expect_failures = [var.api_hostname]
}

run "node_range_without_a_prefix" {
  command = plan

  variables {
    node_range = "10.21.0.0"
  }

  expect_failures = [var.node_range]
}

run "pod_range_without_a_prefix" {
  command = plan

  variables {
    pod_range = "10.22.0.0"
  }

  expect_failures = [var.pod_range]
}

run "service_range_without_a_prefix" {
  command = plan

  variables {
    service_range = "10.24.0.0"
  }

  expect_failures = [var.service_range]
}

run "database_range_without_a_prefix" {
  command = plan

  variables {
    database_range = "10.20.0.0"
  }

  expect_failures = [var.database_range]
}

run "database_range_too_small" {
  command = plan

  variables {
    database_range = "10.20.0.0/28"
  }

  expect_failures = [var.database_range]
}

run "database_range_of_the_whole_internet" {
  command = plan

  variables {
    database_range = "0.0.0.0/0"
  }

  expect_failures = [var.database_range]
}

run "database_range_that_is_public" {
  command = plan

  variables {
    database_range = "203.0.113.0/24"
  }

  expect_failures = [var.database_range]
}

run "database_range_too_wide" {
  command = plan

  variables {
    database_range = "10.0.0.0/8"
  }

  expect_failures = [var.database_range]
}

run "database_range_with_host_bits" {
  command = plan

  variables {
    database_range = "10.20.0.7/24"
  }

  expect_failures = [var.database_range]
}

run "cluster_in_another_region" {
  command = plan

  variables {
    region           = "us-central1"
    cluster_location = "europe-west1-b"
  }

  expect_failures = [var.cluster_location]
}

run "no_node" {
  command = plan

  variables {
    node_count = { min = 0, max = 1 }
  }

  expect_failures = [var.node_count]
}

run "fewer_nodes_at_most_than_at_least" {
  command = plan

  variables {
    node_count = { min = 3, max = 1 }
  }

  expect_failures = [var.node_count]
}

run "tier_of_another_edition" {
  command = plan

  variables {
    database_tier = "db-perf-optimized-N-2"
  }

  expect_failures = [var.database_tier]
}

run "unknown_availability" {
  command = plan

  variables {
    database_availability_type = "GLOBAL"
  }

  expect_failures = [var.database_availability_type]
}

run "everybody_let_in" {
  command = plan

  variables {
    database_authorized_networks = { all = "0.0.0.0/0" }
  }

  expect_failures = [var.database_authorized_networks]
}

run "half_the_world_let_in" {
  command = plan

  variables {
    database_authorized_networks = { half = "0.0.0.0/1" }
  }

  expect_failures = [var.database_authorized_networks]
}

run "network_that_is_none" {
  command = plan

  variables {
    database_authorized_networks = { office = "office" }
  }

  expect_failures = [var.database_authorized_networks]
}

run "no_repository_owner" {
  command = plan

  variables {
    github_repository_owner_id = ""
  }

  expect_failures = [var.github_repository_owner_id]
}

run "repository_by_name" {
  command = plan

  variables {
    github_repository_id = "owner/name"
  }

  expect_failures = [var.github_repository_id]
}

run "slack_webhook_with_a_line_break" {
  command = plan

  variables {
    slack_webhook = "https://hooks.slack.com/services/example\n"
  }

  expect_failures = [var.slack_webhook]
}

run "slack_webhook_in_the_clear" {
  command = plan

  variables {
    slack_webhook = "http://hooks.slack.com/services/example"
  }

  expect_failures = [var.slack_webhook]
}

run "no_smtp_password" {
  command = plan

  variables {
    smtp_password = ""
  }

  expect_failures = [var.smtp_password]
}

run "smtp_password_with_a_line_break" {
  command = plan

  variables {
    smtp_password = "example\n"
  }

  expect_failures = [var.smtp_password]
}


run "billing_account_by_name" {
  command = plan

  variables {
    billing_account = "My Billing Account"
  }

  expect_failures = [var.billing_account]
}

run "budget_of_nothing" {
  command = plan

  variables {
    monthly_budget = 0
  }

  expect_failures = [var.monthly_budget]
}

run "disk_without_a_limit" {
  command = plan

  variables {
    database_disk_limit = 0
  }

  expect_failures = [var.database_disk_limit]
}

run "promoted_from_nowhere" {
  command = plan

  variables {
    promotes_from = ""
  }

  expect_failures = [var.promotes_from]
}

run "promoted_to_nowhere" {
  command = plan

  variables {
    promotes_to = "gcr.io/project"
  }

  expect_failures = [var.promotes_to]
}

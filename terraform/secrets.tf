# Values are write-only or ephemeral: none of them reaches the plan or the state.
# Each run draws a new value and writes it only when its version is raised.

ephemeral "random_password" "database" {
  length           = 40
  override_special = "-_" # safe in a connection string
  min_lower        = 1    # COMPLEXITY_DEFAULT of the instance's password policy
  min_upper        = 1
  min_numeric      = 1
  min_special      = 1
}

# Nothing here gives it to the database: `taskpulse migrate` does, in each new pod.
ephemeral "random_password" "service" {
  length  = 40
  special = false
}

ephemeral "random_password" "metrics_token" {
  length  = 48
  special = false
}

ephemeral "random_password" "grafana" {
  length  = 32
  special = false
}

locals {
  secrets = yamldecode(file("${path.module}/secrets.yaml"))

  secret_values = {
    taskpulse-database-password = ephemeral.random_password.database.result
    taskpulse-service-password  = ephemeral.random_password.service.result
    taskpulse-metrics-token     = ephemeral.random_password.metrics_token.result
    taskpulse-grafana-password  = ephemeral.random_password.grafana.result
    taskpulse-slack-webhook     = var.slack_webhook
    taskpulse-smtp-password     = var.smtp_password
  }

  secret_versions = {
    taskpulse-database-password = var.secret_version.database_password
    taskpulse-service-password  = var.secret_version.service_password
    taskpulse-metrics-token     = var.secret_version.metrics_token
    taskpulse-grafana-password  = var.secret_version.grafana_password
    taskpulse-slack-webhook     = var.secret_version.slack_webhook
    taskpulse-smtp-password     = var.secret_version.smtp_password
  }
}

resource "google_secret_manager_secret" "this" {
  for_each = toset(keys(local.secrets))

  secret_id           = each.value
  deletion_protection = var.deletion_protection

  replication {
    auto {}
  }

  depends_on = [google_project_service.this]
}

resource "google_secret_manager_secret_version" "this" {
  for_each = local.secret_versions

  secret                 = google_secret_manager_secret.this[each.key].id
  secret_data_wo         = local.secret_values[each.key]
  secret_data_wo_version = tostring(each.value)

  lifecycle {
    create_before_destroy = true # a deploy at any moment finds a version
  }
}

# The stored password, not the one that this run drew: an apply that broke off between Secret Manager and the database has
# stored one that no later run can draw. While a new version is planned its number is unknown, so it is read after that.
ephemeral "google_secret_manager_secret_version" "database_password" {
  provider = google.stored

  secret  = google_secret_manager_secret_version.this["taskpulse-database-password"].secret
  version = google_secret_manager_secret_version.this["taskpulse-database-password"].version
}

# Not secret: the certificates that pods check the database by; two while the authority is rotated.
data "google_sql_ca_certs" "this" {
  instance = google_sql_database_instance.this.name
}

resource "google_secret_manager_secret_version" "database_ca" {
  secret      = google_secret_manager_secret.this["taskpulse-database-ca"].id
  secret_data = join("\n", data.google_sql_ca_certs.this.certs[*].cert)

  lifecycle {
    create_before_destroy = true
  }
}

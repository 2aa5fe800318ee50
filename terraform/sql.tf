resource "google_sql_database_instance" "this" {
  # checkov:skip=CKV_GCP_6:ENCRYPTED_ONLY refuses plain connections; the check wants client certificates too, one more secret to rotate
  # checkov:skip=CKV_GCP_108:log_hostname costs a DNS look-up for each connection, and pods have no names to find
  # checkov:skip=CKV_GCP_110:pgAudit needs an extension in the database as well; log_statement records each change of the schema
  # checkov:skip=CKV2_GCP_13:log_duration writes a line for each statement; query insights shows the slow ones
  name                = var.database_instance_name
  database_version    = "POSTGRES_18"
  region              = var.region
  deletion_protection = var.deletion_protection # Terraform's own; the API's is in settings

  settings {
    edition                     = "ENTERPRISE" # ENTERPRISE_PLUS, the default since PostgreSQL 16, has no small tiers
    tier                        = var.database_tier
    availability_type           = var.database_availability_type
    disk_type                   = "PD_SSD"
    disk_size                   = 10 # GB
    disk_autoresize             = true
    disk_autoresize_limit       = var.database_disk_limit # a disk grows by itself, and never shrinks again
    deletion_protection_enabled = var.deletion_protection
    retain_backups_on_delete    = true
    user_labels                 = local.labels

    ip_configuration {
      ipv4_enabled       = false
      private_network    = google_compute_network.this.id
      allocated_ip_range = google_compute_global_address.database.name
      ssl_mode           = "ENCRYPTED_ONLY"
      # An authority of this instance's own: sslmode=verify-ca would accept any instance of a shared one.
      server_ca_mode = "GOOGLE_MANAGED_INTERNAL_CA"

      dynamic "authorized_networks" {
        for_each = var.database_authorized_networks

        content {
          name  = authorized_networks.key
          value = authorized_networks.value
        }
      }
    }

    backup_configuration {
      enabled                        = true
      start_time                     = "01:00" # UTC
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7 # the most that ENTERPRISE keeps

      backup_retention_settings {
        retained_backups = 14
        retention_unit   = "COUNT"
      }
    }

    maintenance_window {
      day          = 3 # Wednesday
      hour         = 3 # UTC
      update_track = "stable"
    }

    insights_config {
      query_insights_enabled  = true
      query_string_length     = 1024
      record_application_tags = true
      record_client_address   = false
    }

    password_validation_policy {
      enable_password_policy      = true
      min_length                  = 24
      complexity                  = "COMPLEXITY_DEFAULT"
      disallow_username_substring = true
    }

    database_flags {
      name  = "idle_in_transaction_session_timeout"
      value = "60000" # ms; a forgotten transaction holds the event stream back
    }

    database_flags {
      name  = "log_checkpoints"
      value = "on"
    }

    database_flags {
      name  = "log_connections"
      value = "on"
    }

    database_flags {
      name  = "log_disconnections"
      value = "on"
    }

    database_flags {
      name  = "log_lock_waits"
      value = "on"
    }

    database_flags {
      name  = "log_min_duration_statement"
      value = "-1" # none: their parameters are what people wrote; query insights finds the slow ones
    }

    database_flags {
      name  = "log_min_error_statement"
      value = "error"
    }

    database_flags {
      name  = "log_min_messages"
      value = "warning"
    }

    database_flags {
      name  = "log_statement"
      value = "ddl"
    }

    database_flags {
      name  = "log_temp_files"
      value = "0" # of any size
    }

    database_flags {
      name  = "max_connections"
      value = tostring(var.database_max_connections)
    }
  }

  depends_on = [google_service_networking_connection.database]
}

resource "google_sql_database" "this" {
  name            = "taskpulse"
  instance        = google_sql_database_instance.this.name
  deletion_policy = "ABANDON" # it goes with the instance; dropped on its own it would be lost by a slip
}

# The owner of the tables, who migrates. Google makes each user of its API a member of cloudsqlsuperuser, so the user that
# serves is not made here: `taskpulse migrate` makes it, by SQL, with no right but to read and write rows.
resource "google_sql_user" "this" {
  name                = "taskpulse"
  instance            = google_sql_database_instance.this.name
  password_wo         = ephemeral.google_secret_manager_secret_version.database_password.secret_data
  password_wo_version = var.secret_version.database_password
  deletion_policy     = "ABANDON" # PostgreSQL drops no role that owns tables
}

mock_provider "google" {
  source          = "./tests/mocks"
  override_during = plan
}

# Its number stays unknown in plans, so that no password is read back: Terraform cannot mock that.
override_resource {
  target          = google_secret_manager_secret_version.this
  override_during = apply
}

run "database" {
  command = plan

  assert {
    condition     = !google_sql_database_instance.this.settings[0].ip_configuration[0].ipv4_enabled
    error_message = "The database has a public address."
  }

  assert {
    condition = (
      google_sql_database_instance.this.settings[0].ip_configuration[0].private_network == "projects/taskpulse-example/global/networks/taskpulse" &&
      google_sql_database_instance.this.settings[0].ip_configuration[0].allocated_ip_range == "taskpulse-database"
    )
    error_message = "The database is not in the reserved range of our network."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].ssl_mode == "ENCRYPTED_ONLY"
    error_message = "The database takes connections without TLS."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].ip_configuration[0].server_ca_mode == "GOOGLE_MANAGED_INTERNAL_CA"
    error_message = "Another instance's certificate would pass sslmode=verify-ca."
  }

  assert {
    condition     = length(google_sql_database_instance.this.settings[0].ip_configuration[0].authorized_networks) == 0
    error_message = "A public range is let in that no variable asked for."
  }

  assert {
    condition     = google_sql_database_instance.this.database_version == "POSTGRES_18"
    error_message = "The database is not the PostgreSQL that the tests run on."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].edition == "ENTERPRISE"
    error_message = "The edition refuses the tiers of the environments."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].availability_type == (var.environment == "main" ? "REGIONAL" : "ZONAL")
    error_message = "main needs a standby in another zone, and dev does not pay for one."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].backup_configuration[0].enabled
    error_message = "There are no backups."
  }

  assert {
    condition = (
      google_sql_database_instance.this.settings[0].backup_configuration[0].point_in_time_recovery_enabled &&
      google_sql_database_instance.this.settings[0].backup_configuration[0].transaction_log_retention_days == 7
    )
    error_message = "The database cannot be restored to any moment of the last seven days."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].disk_autoresize && google_sql_database_instance.this.settings[0].disk_autoresize_limit == var.database_disk_limit
    error_message = "The disk does not grow, or grows without a limit."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].retain_backups_on_delete
    error_message = "The backups die with the instance."
  }

  assert {
    condition     = google_sql_database_instance.this.deletion_protection
    error_message = "Terraform would delete the database."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].deletion_protection_enabled
    error_message = "Google's API would delete the database."
  }

  assert {
    condition     = google_sql_database_instance.this.settings[0].insights_config[0].query_insights_enabled
    error_message = "Query insights are off."
  }

  assert {
    condition = (
      google_sql_database_instance.this.settings[0].password_validation_policy[0].enable_password_policy &&
      google_sql_database_instance.this.settings[0].password_validation_policy[0].min_length >= 24
    )
    error_message = "Weak passwords are taken."
  }

  assert {
    condition = { for flag in google_sql_database_instance.this.settings[0].database_flags : flag.name => flag.value } == {
      idle_in_transaction_session_timeout = "60000"
      log_checkpoints                     = "on"
      log_connections                     = "on"
      log_disconnections                  = "on"
      log_lock_waits                      = "on"
      log_min_duration_statement          = "-1"
      log_min_error_statement             = "error"
      log_min_messages                    = "warning"
      log_statement                       = "ddl"
      log_temp_files                      = "0"
      max_connections                     = tostring(var.database_max_connections)
    }
    error_message = "The database's flags are not the listed ones."
  }

  assert {
    condition     = google_sql_database.this.name == "taskpulse" && google_sql_user.this.name == "taskpulse"
    error_message = "Database and user do not have the names that the overlays use."
  }

  assert {
    condition     = google_sql_user.this.database_roles == null
    error_message = "The owner of the tables is no member of cloudsqlsuperuser, and so cannot make the user that serves."
  }

  assert {
    condition     = google_sql_user.this.password == null
    error_message = "The database's password is in the state."
  }
}

run "authorized_network" {
  command = plan

  variables {
    database_authorized_networks = { office = "203.0.113.0/24" }
  }

  assert {
    condition = [for network in google_sql_database_instance.this.settings[0].ip_configuration[0].authorized_networks : "${network.name} ${network.value}"] == [
      "office 203.0.113.0/24",
    ]
    error_message = "The ranges of database_authorized_networks do not reach the database."
  }
}

run "taking_down" {
  command = plan

  variables {
    deletion_protection = false
  }

  assert {
    condition     = !google_sql_database_instance.this.deletion_protection && !google_sql_database_instance.this.settings[0].deletion_protection_enabled
    error_message = "deletion_protection = false leaves the database protected."
  }

  assert {
    condition     = !google_container_cluster.this.deletion_protection
    error_message = "deletion_protection = false leaves the cluster protected."
  }

  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.this : !secret.deletion_protection])
    error_message = "deletion_protection = false leaves the secrets protected."
  }
}

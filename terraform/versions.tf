terraform {
  required_version = ">= 1.11" # write-only arguments and ephemeral values keep the passwords out of the state

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 8.9, < 9.0"
    }
    random = {
      source  = "hashicorp/random"
      version = ">= 3.7, < 4.0"
    }
  }

  backend "gcs" {} # of environments/ENV.gcs.tfbackend, by `make terraform ENV=...`
}

provider "google" {
  project = var.project_id
  region  = var.region

  # Whose quota a call takes: budgets refuse calls of a person that name no project.
  user_project_override = true
  billing_project       = var.project_id

  default_labels = local.labels
}

# For reading passwords back: `terraform test` mocks the provider above, and cannot mock an ephemeral resource.
provider "google" {
  alias = "stored"

  project = var.project_id
}

locals {
  labels = {
    app         = "taskpulse"
    environment = var.environment
  }
}

data "google_project" "this" {}

# Belongs to the state: the values of another environment would replace it, and so are refused before anything is touched.
resource "terraform_data" "environment" {
  triggers_replace = [var.environment, var.project_id]

  lifecycle {
    prevent_destroy = true
  }
}

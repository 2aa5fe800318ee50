variable "project_id" {
  description = "Google project of this environment; each environment has its own."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project_id))
    error_message = "project_id is not the id of a Google project. Put yours into environments/ENV.tfvars; `gcloud projects list` shows it."
  }
}

variable "environment" {
  description = "Name of the environment; also the branch that deploys to it and the GitHub environment."
  type        = string

  validation {
    condition     = contains(["dev", "main"], var.environment)
    error_message = "environment must be dev or main: one for each overlay."
  }
}

variable "region" {
  description = "Region of the subnetwork, the database and the NAT gateway."
  type        = string
}

variable "api_hostname" {
  description = "Host name that the API is served under by HTTPS; null where there is no gateway."
  type        = string
  nullable    = true
  default     = null

  validation {
    condition     = var.api_hostname == null || can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?[.])+[a-z]{2,}$", var.api_hostname))
    error_message = "api_hostname must be a host name in lower case such as tasks.example.com, without scheme and final dot."
  }
}

variable "deletion_protection" {
  description = "Whether cluster, database and secrets refuse to be deleted. Only for taking an environment down is it false."
  type        = bool
  default     = true
}

# Promotion

variable "promotes_from" {
  description = "Project whose images this environment runs where the files are the same, as main those of dev; null: it builds all of its own."
  type        = string
  nullable    = true
  default     = null

  validation {
    condition     = var.promotes_from == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.promotes_from))
    error_message = "promotes_from is not the id of a Google project. In environments/main.tfvars it is the project of dev, which has to promote to this one."
  }
}

variable "promotes_to" {
  description = "Project whose publisher may copy the images of this environment; null: nobody else reads them. Its publisher must exist."
  type        = string
  nullable    = true
  default     = null

  validation {
    condition     = var.promotes_to == null || can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.promotes_to))
    error_message = "promotes_to is not the id of a Google project. In environments/dev.tfvars it is the project of main, once its accounts are there."
  }
}

# Budget

variable "billing_account" {
  description = "Billing account on which a budget with alerts is made; null where somebody else owns it."
  type        = string
  nullable    = true
  default     = null

  validation {
    condition     = var.billing_account == null || can(regex("^[0-9A-F]{6}(-[0-9A-F]{6}){2}$", var.billing_account))
    error_message = "billing_account must be an id such as 012345-6789AB-CDEF01; `gcloud billing accounts list` shows yours."
  }
}

variable "monthly_budget" {
  description = "What a month may cost, in the currency of the billing account, before alerts are sent."
  type        = number

  validation {
    condition     = var.monthly_budget >= 1
    error_message = "monthly_budget must be at least 1."
  }
}

# Network

variable "node_range" {
  description = "CIDR range of the nodes."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.node_range))
    error_message = "node_range must be an IPv4 range such as 10.21.0.0/22."
  }
}

variable "pod_range" {
  description = "CIDR range of the pods."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.pod_range))
    error_message = "pod_range must be an IPv4 range such as 10.22.0.0/16."
  }
}

variable "service_range" {
  description = "CIDR range of the cluster's Services."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.service_range))
    error_message = "service_range must be an IPv4 range such as 10.24.0.0/20."
  }
}

variable "database_range" {
  description = "CIDR range that Cloud SQL takes its private address from; the overlay's NetworkPolicy lets pods out to the same range."
  type        = string

  validation {
    condition = (
      can(regex("^(10|172[.](1[6-9]|2[0-9]|3[01])|192[.]168)[.]", var.database_range)) &&
      can(cidrnetmask(var.database_range)) &&
      try(tonumber(split("/", var.database_range)[1]) >= 16, false) &&
      try(tonumber(split("/", var.database_range)[1]) <= 24, false) &&
      try(cidrhost(var.database_range, 0) == split("/", var.database_range)[0], false)
    )
    error_message = "database_range must be a private IPv4 range from /16 to /24 that starts at its first address, such as 10.20.0.0/24: pods are let out to all of it, and Cloud SQL takes a /24 for each region."
  }
}

# GKE

variable "cluster_location" {
  description = "Zone (one control plane, cheaper) or region (one in each zone) of the cluster."
  type        = string

  validation {
    condition     = var.cluster_location == var.region || can(regex("^${var.region}-[a-z]$", var.cluster_location))
    error_message = "cluster_location must be the region or one of its zones, such as us-central1-a: the nodes' subnetwork is there."
  }
}

variable "node_machine_type" {
  description = "Machine type of the nodes."
  type        = string
}

variable "node_count" {
  description = "Fewest and most nodes, over all zones."
  type        = object({ min = number, max = number })

  validation {
    condition     = var.node_count.min >= 1 && var.node_count.max >= var.node_count.min
    error_message = "node_count needs min of at least 1 and max of at least min."
  }
}

# Cloud SQL

variable "database_instance_name" {
  description = "Name of the Cloud SQL instance. A restored database is an instance with another name (docs/restore.md)."
  type        = string
  default     = "taskpulse"
}

variable "database_tier" {
  description = "Machine type of the database, one of those of the ENTERPRISE edition."
  type        = string

  validation {
    condition     = can(regex("^db-(f1-micro|g1-small|custom-[0-9]+-[0-9]+)$", var.database_tier))
    error_message = "database_tier must be one that PostgreSQL has in the ENTERPRISE edition: db-f1-micro, db-g1-small or db-custom-CPUS-MEBIBYTES, such as db-custom-2-7680."
  }
}

variable "database_availability_type" {
  description = "REGIONAL: a standby in another zone takes over; ZONAL: none."
  type        = string

  validation {
    condition     = contains(["REGIONAL", "ZONAL"], var.database_availability_type)
    error_message = "database_availability_type must be REGIONAL or ZONAL."
  }
}

variable "database_disk_limit" {
  description = "Most gigabytes that the database's disk may grow to; a full disk stops all writes."
  type        = number

  validation {
    condition     = var.database_disk_limit >= 20
    error_message = "database_disk_limit must be at least 20 GB; 0 would be no limit."
  }
}

variable "database_max_connections" {
  description = "PostgreSQL's max_connections: more than the pools of all pods can open together."
  type        = number
}

variable "database_authorized_networks" {
  description = "Public ranges allowed in, by name. They matter only where the database has a public address, which it has not; private clients are held by the NetworkPolicy."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([
      for range in values(var.database_authorized_networks) :
      can(cidrnetmask(range)) && try(tonumber(split("/", range)[1]) >= 16, false)
    ])
    error_message = "database_authorized_networks takes IPv4 ranges of /16 or smaller, such as 203.0.113.0/24; 0.0.0.0/0 would let everybody in."
  }
}

# GitHub

variable "github_repository_owner_id" {
  description = "Numeric id of the repository's owner: unlike a name it cannot be taken over by somebody else."
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.github_repository_owner_id))
    error_message = "github_repository_owner_id must be a number. Put yours into environments/ENV.tfvars: gh api repos/OWNER/NAME --jq .owner.id"
  }
}

variable "github_repository_id" {
  description = "Numeric id of the repository that deploys."
  type        = string

  validation {
    condition     = can(regex("^[1-9][0-9]*$", var.github_repository_id))
    error_message = "github_repository_id must be a number. Put yours into environments/ENV.tfvars: gh api repos/OWNER/NAME --jq .id"
  }
}

# Secrets: a value is written when its version is raised, and only then (docs/secrets.md)

variable "secret_version" {
  description = "Version of each secret's value; raise one by one to rotate."
  type = object({
    database_password = optional(number, 1)
    service_password  = optional(number, 1)
    metrics_token     = optional(number, 1)
    grafana_password  = optional(number, 1)
    slack_webhook     = optional(number, 1)
    smtp_password     = optional(number, 1)
  })
  default = {}
}

variable "slack_webhook" {
  description = "Slack webhook address for alerts, from TF_VAR_slack_webhook."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^https://[^[:space:]]+$", var.slack_webhook))
    error_message = "slack_webhook must be an https:// address without spaces or line breaks."
  }
}

variable "smtp_password" {
  description = "Password of the mail account that sends alerts, from TF_VAR_smtp_password."
  type        = string
  ephemeral   = true
  sensitive   = true

  validation {
    condition     = can(regex("^[^[:cntrl:]]+$", var.smtp_password))
    error_message = "smtp_password must not be empty or hold a line break."
  }
}

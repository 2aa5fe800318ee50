# Stand-ins for what an installation chooses; after environments/ENV.tfvars on the command line.
project_id                 = "taskpulse-example"
github_repository_owner_id = "1001"
github_repository_id       = "2002"
promotes_from              = null
slack_webhook              = "https://hooks.slack.com/services/example"
smtp_password              = "example-smtp-password"

"""What `course doctor` looks at: this machine, the sender's domain, the site, the provider."""

"""Model Assets: which AI models exist, what each costs, how well it does and who may use it; today and on any past day."""

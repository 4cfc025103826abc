"""What is known of one elder over time: readings at a fitting resolution, and events and alerts in one order."""

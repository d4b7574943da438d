"""Five questions, five pure files. Decisions are values; nothing here touches the world."""

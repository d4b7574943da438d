"""Six questions, six pure files. Decisions are values; nothing here touches the world."""

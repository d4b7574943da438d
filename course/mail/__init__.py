"""What a finished mail is made of: headers, parts, layout, and the holes a learner fills."""

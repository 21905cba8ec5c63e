"""What participants of a study meet: the recruiter's link, the pages of the study, its items, and the way back."""

"""What people see, in numbers: opinion scores, who can be trusted, who agrees, which is better.

Tables go in, numbers come out: a table of scores has a row per stimulus and a column per rater,
NaN where a rater did not see a stimulus. No files, no names of anything, no torch.
"""

"""What a real head answered to long lists of calls, and how to ask a head again."""

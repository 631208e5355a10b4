"""What people see: figures, the report and explanations, all made from tables."""

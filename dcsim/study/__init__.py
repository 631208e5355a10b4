"""Many runs: comparing policies, saying how sure one may be, running a stored result again."""

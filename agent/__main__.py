"""python3 -m agent"""

from agent.cli.main import console

if __name__ == "__main__":
    console()

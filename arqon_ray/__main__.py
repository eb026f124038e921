"""``python -m arqon_ray`` is the command ``arqon-ray``."""

from arqon_ray.cli import main

if __name__ == "__main__":
    main(prog_name="arqon-ray")

"""python3 -m tests.firewall.kernel [--seed N] [--pairs N]: compare the model with this machine's kernel (as root)."""

from __future__ import annotations

import argparse
import random
import shutil
import sys

from tests.firewall.kernel.compare import Score, Wanted, run


def report(wanted: Wanted, score: Score) -> str:
    share = 100 * score.unknown / max(score.pairs, 1)
    lines = [
        f"seed {wanted.seed}: {score.pairs} pairs, {score.rulesets} rule-sets ({score.refused} refused), "
        f"{len(score.disagreements)} disagreements, {share:.1f} % unknown, {score.seconds:.1f} s",
        "verdicts: " + ", ".join(f"{name} {count}" for name, count in score.verdicts.most_common()),
    ]
    lines += [f"  unknown {count}: {why}" for why, count in score.why.most_common(12)]
    lines += [f"  refused {count}: {why}" for why, count in score.refusals.most_common(6)]
    return "\n".join([*lines, *score.disagreements])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--packets", type=int, default=60, help="for each rule-set")
    parser.add_argument("--backends", default="legacy,nft,both,native,all")
    parser.add_argument("--families", default="4,6")
    parser.add_argument("--stop", type=int, default=10, help="after so many disagreements")
    parser.add_argument("--first", type=int, default=1, help="number of the first rule-set")
    parser.add_argument("--ipset", default=shutil.which("ipset") or "")
    given = parser.parse_args()
    wanted = Wanted(
        given.seed,
        given.pairs,
        given.packets,
        tuple(given.backends.split(",")),
        tuple(int(family) for family in given.families.split(",")),
        given.ipset,
        given.stop,
        given.first,
    )
    score = run(wanted)
    print(report(wanted, score))
    return 1 if score.disagreements else 0


if __name__ == "__main__":
    sys.exit(main())

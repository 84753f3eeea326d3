"""The kinds of stages: what each reads, leaves and runs on a tiny root."""


def test_the_code_of_a_recipe_counts_for_its_stages():
    stage = Stage("check", code=("bestie.pipeline.check_stage",))
    code = stages.stage_code(RECIPE, stage)["code"]
    assert {stages.HERE, "bestie/methods/bestie/recipe.py"} <= set(code)

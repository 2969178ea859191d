def test_people_get_a_table_and_programs_an_object_each(ask):
    assert ask("peers").out.splitlines()[1].split() == ["00" * 20, "192.0.2.1:7400"]
    assert ask("peers", "--json").objects == [{"node_id": "00" * 20, "address": "192.0.2.1:7400"}]

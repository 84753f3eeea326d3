"""Official weights of the PAM classifier: layers are renamed, aliases are dropped."""

from bestie.methods.pam.official_names import convert_official_pam


def test_layers_are_renamed_and_aliases_dropped():
    official = {
        "features.0.weight": 0,
        "layer1_conv1.weight": 0,
        "extra_conv2.bias": 3,
        "extra_conv4.weight": 2,
        "extra_conv4.bias": 1,
    }
    assert convert_official_pam(official) == {
        "backbone.features.0.weight": 0,
        "head.convs.1.bias": 3,
        "head.classifier.weight": 2,
        "head.classifier.bias": 1,
    }


def test_other_weights_are_not_official_ones():
    assert convert_official_pam({"features.0.weight": 0, "classifier.0.weight": 1}) is None

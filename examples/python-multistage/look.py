"""How the picture looks: from what runs away at once to what stays."""

SHADES = " .:-=+*%@#"

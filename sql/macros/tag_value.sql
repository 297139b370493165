-- one tag's value: its key in exactly this spelling, else the first that equals it in lower case
nullIf(
    tag_values[coalesce(
        nullIf(indexOf(tag_keys, '{argument}'), 0),
        indexOf(lower_keys, lowerUTF8('{argument}'))
    )],
    ''
)

-- one tag's value: its key in exactly this spelling, else the first that equals it in lower case
nullIf(
    tag_values[if(
        has(tag_keys, '{argument}'),
        indexOf(tag_keys, '{argument}'),
        arrayFirstIndex(name -> lowerUTF8(name) = lowerUTF8('{argument}'), tag_keys)
    )],
    ''
)

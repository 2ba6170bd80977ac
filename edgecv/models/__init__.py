"""Keras definitions of small networks, one file a family, by name.

Every builder returns a functional `keras.Model` whose one input is float32 (B, H, W, 3), RGB, scaled
to -1..1, and whose first layers keep the published order of operations. Names are imported when they
are asked for: `import edgecv` stays free of Keras.
"""

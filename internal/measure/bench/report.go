package bench

// Report is what was measured of several models in turn, and how.
type Report struct {
	Kernels   string  `json:"kernels"`
	Precision string  `json:"precision"`
	KV        string  `json:"kv"`    // the type of keys and values
	Depth     string  `json:"depth"` // how it is reached
	Narrow    int     `json:"narrow"`
	Reps      int     `json:"reps"`
	Models    []About `json:"models"`
	Results   []Turn  `json:"results"`
}

// About is one of the models.
type About struct {
	Name         string `json:"name"`
	Note         string `json:"note,omitempty"`
	Synthetic    bool   `json:"synthetic"` // its weights are random
	Layers       int    `json:"layers"`
	Hidden       int    `json:"hidden_size"`
	ParamsTotal  int64  `json:"params_total"`
	ParamsActive int64  `json:"params_active"`
	Weights      string `json:"weights"` // the type that they were made or rounded to
	WeightsBytes int64  `json:"weights_bytes"`
	OpenedBytes  int64  `json:"opened_bytes"` // memory that it took to open
}
